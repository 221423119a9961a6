"""All SQL: ddl/ makes the tables, queries/ asks the questions, otlp.proto is how ClickHouse reads OTLP."""
