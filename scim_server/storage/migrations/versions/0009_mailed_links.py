"""Whether a link was mailed: people other than those who are invited may get one by mail now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels = None
depends_on = None

# Up to here who wasn't invited could have the owner's link alone, which an operator hands over; a former owner too.
_HANDED_OVER = """
UPDATE invitation_links SET mailed = false WHERE EXISTS (
    SELECT * FROM contacts WHERE contacts.workspace_id = invitation_links.workspace_id
    AND contacts.id = invitation_links.contact_id AND contacts.status <> 'invited'
)
"""


def upgrade() -> None:
    op.add_column("invitation_links", sa.Column("mailed", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.execute(sa.text(_HANDED_OVER))


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
