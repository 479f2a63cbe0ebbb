"""The rules that every table and every route of this service keeps, whoever adds it."""
