"""The words that every room shares: types, errors, seams and texts. Knows only the standard library."""
