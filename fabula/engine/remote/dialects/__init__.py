"""What servers speak, a module for each. They know no connection and no settings."""
