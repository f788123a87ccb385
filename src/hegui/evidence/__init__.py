"""Evidence: the ledger (RFC 6962), sealed bodies and their keys, checkpoints, verification."""
