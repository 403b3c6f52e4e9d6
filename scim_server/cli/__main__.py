"""`python -m scim_server.cli`: the command line without an installed script."""

from scim_server.cli import main

main(prog_name="scim-server")
