"""Tool calls in the formats that models write them in. Pure: text in, calls out."""
