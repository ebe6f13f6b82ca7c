"""Steps of the schema in order: `mNNNN_what_it_does.py`."""
