"""Labels 标识: what tells a person, and a machine, that something was made by AI."""
