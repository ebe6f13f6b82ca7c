"""llama.cpp's own routes: parse a body into a core request, render core deltas. Knows no other dialect."""
