"""The web edge: Flask lives here alone. Reads requests, calls the directory, writes answers; decides nothing."""
