"""A search for how a direction is put to use: many ways, each weighed by what it does and what it costs."""
