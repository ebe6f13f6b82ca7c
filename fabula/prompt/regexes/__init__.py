"""Regular expressions of another language and the scripts that use them. Knows no prompt layout."""
