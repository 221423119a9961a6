"""The store: tables and questions in ClickHouse, embedded or at a URL, with the same SQL."""
