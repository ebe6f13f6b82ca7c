"""The home folder: settings, database, journal, events, locks, jobs and backups. Knows no other room."""
