"""The files in which a cluster's rights stand, whatever provider makes it."""

from __future__ import annotations

from pathlib import Path

MANIFESTS = Path(__file__).parent / "manifests"
# What the API server writes into the audit log; what a student may do; and what RBAC cannot say, by admission policies.
AUDIT_POLICY, STUDENT, ADMISSION = (MANIFESTS / f"{name}.yaml" for name in ("audit-policy", "student", "admission"))
# The group that the student's rights are bound to.
STUDENTS = "seatrial:students"
