"""SCIM 2.0 provisioning for a client workspace: people, groups, seats and their whole life."""

__version__ = "0.1.0"
