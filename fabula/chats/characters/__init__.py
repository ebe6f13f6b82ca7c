"""Who is spoken to: character cards as files and as what a story needs of them."""
