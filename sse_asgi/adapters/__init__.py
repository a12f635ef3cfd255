"""Event streams at home in one framework each; a module here is the only importer of its own."""
