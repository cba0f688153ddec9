"""Submissions, their grades, and grading them again."""
