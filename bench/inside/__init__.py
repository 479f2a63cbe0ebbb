"""What runs inside a generated service, with its Python: Roadbed's own environment lacks the rest."""
