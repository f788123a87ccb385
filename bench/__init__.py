"""What hegui costs, measured beside its peers: `make bench`."""
