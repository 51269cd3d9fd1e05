"""What the program is told: settings, skills, logging, the Celery app."""
