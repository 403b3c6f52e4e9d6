"""Rows and how they are kept: SQLAlchemy Core on SQLite and PostgreSQL. Every call names a workspace."""
