"""No table: charges are payments."""
