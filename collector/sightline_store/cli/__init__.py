"""`sightline-store` for any ClickHouse: its commands and its shell."""
