"""What the local API keeps: dialects' ids, agents' results, answers to requests with an idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take this step."""
    # made anew, since a key that is never given twice cannot be had otherwise
    order = ('id', 'uid', 'name', 'agent', 'state', 'spec', 'timezone', 'start_at', 'end_at', 'created_at', 'state_at',
             'started_at', 'ended_at', 'reported_at', 'alias', 'dialect', 'extra', 'adds_to')
    with op.batch_alter_table('campaigns', recreate='always', table_kwargs={'sqlite_autoincrement': True},
                              partial_reordering=[order]) as table:
        table.drop_column('first_recipient')
        table.drop_column('last_recipient')
        table.add_column(sa.Column('alias', sa.String(), nullable=True))
        table.add_column(sa.Column('dialect', sa.String(), nullable=True))
        table.add_column(sa.Column('extra', sa.Text(), nullable=True))
        table.add_column(sa.Column('adds_to', sa.BigInteger(), nullable=True))
    op.create_index('campaigns_alias', 'campaigns', ['alias'], unique=True, sqlite_where=sa.text('alias IS NOT NULL'))
    op.add_column('attempts', sa.Column('result', sa.Text(), nullable=True))
    # recipients that were added later lie far from the first ones
    op.create_index('recipients_campaign', 'recipients', ['campaign_id'], unique=False)
    op.create_table('answers',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('fingerprint', sa.String(), nullable=False),
    sa.Column('result', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('content_type', sa.String(), nullable=True),
    sa.Column('body', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_index('ix_answers_created_at', 'answers', ['created_at'], unique=False)
    # the campaign's start alone says when it begins, so that it can be brought forward
    op.execute("UPDATE recipients SET next_at = 0 WHERE state = 'pending' AND attempts = 0 AND refunds = 0")
