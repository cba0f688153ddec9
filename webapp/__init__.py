"""The portal: a lab in the browser, a cluster of one's own, a grade while one works.

Feature slices, each with views → services → models: a view parses, calls one service and renders.
"""
