"""All SQL.

tables/ holds migrations; functions/, null_tables/ and views/ hold what is replaced when it differs; queries/ asks the
questions; otlp.proto is how ClickHouse reads OTLP.
"""
