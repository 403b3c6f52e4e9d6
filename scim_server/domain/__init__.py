"""The product's rules, pure: contacts, seats, roles. Knows neither SCIM nor databases; time and ids are passed in."""
