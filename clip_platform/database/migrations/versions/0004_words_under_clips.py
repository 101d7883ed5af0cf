"""What is written under a clip, and a signature of what it says, by which later clips that say the same are found."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table clips
            add column hashtags jsonb not null default '[]',
            add column summary text not null default '',
            add column signature bytea not null default ''""")


def downgrade() -> None:
    op.execute("alter table clips drop column hashtags, drop column summary, drop column signature")
