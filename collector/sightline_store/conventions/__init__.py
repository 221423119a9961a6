"""How each convention spells what the typed tables hold, and the SQL that is made of it."""
