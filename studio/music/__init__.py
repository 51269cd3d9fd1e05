"""The music: eight moods, composed to a picture's length and cuts, the same each time for the same seed."""
