"""The process that brings desired and observed together: clusters, lab sessions, and submissions that wait.

`python -m webapp.sessions.reconciler`, once for a database. A pass compares the rows with what the provider has and
starts the steps that are due, each in a thread: make, delete, prepare, put to sleep, grade. What a step intends is
committed before it is begun, and every step may be begun again. So the process may be killed at any moment: nothing is
known in memory alone but what is busy, and after a kill nothing is.

    plan       what a session needs next (pure)
    facts      what the provider was last seen to have
    pool       clusters: make, hand out, delete, and what belongs to nobody
    preparing  a session's cluster: put the lab in, bring it back, put it to sleep
    crew       the threads, and who rests after a failure
    loop       the passes
"""
