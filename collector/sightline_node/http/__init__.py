"""ClickHouse's HTTP interface: requests read, answers written, bodies packed and unpacked."""
