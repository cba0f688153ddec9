"""From which cluster a submission was handed in, and why the platform itself put a session to rest.

Revision 0002. Of what was handed in before, the cluster is not known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("submissions", sa.Column("cluster", sa.String(length=80), nullable=True))
    op.add_column("lab_sessions", sa.Column("because", sa.String(length=16), nullable=True))


def downgrade() -> None:
    """Take them away, with what is in them."""
    op.drop_column("lab_sessions", "because")
    op.drop_column("submissions", "cluster")
