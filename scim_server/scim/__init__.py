"""The protocol, pure: schemas, filters, patches, messages. Knows no web server, database, clock or product rule."""
