"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take this step."""
    op.create_table('attempts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('uid', sa.String(), nullable=False),
    sa.Column('recipient_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('caller_id', sa.String(), nullable=False),
    sa.Column('trunk', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('claimed_at', sa.BigInteger(), nullable=False),
    sa.Column('ringing_at', sa.BigInteger(), nullable=True),
    sa.Column('answered_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('outcome', sa.String(), nullable=True),
    sa.Column('refunded', sa.Boolean(), server_default=sa.text('0'), nullable=False),
    sa.Column('reference', sa.String(), nullable=True),
    sa.Column('provider_state', sa.Text(), nullable=True),
    sa.Column('cause', sa.Text(), nullable=True),
    sa.Column('answered_by', sa.String(), nullable=True),
    sa.Column('digits', sa.String(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uid')
    )
    op.create_index('attempts_number', 'attempts', ['number', 'claimed_at'], unique=False)
    op.create_index('attempts_open', 'attempts', ['campaign_id'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
    op.create_table('campaigns',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('uid', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('agent', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('spec', sa.Text(), nullable=False),
    sa.Column('timezone', sa.String(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=True),
    sa.Column('end_at', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('state_at', sa.BigInteger(), nullable=False),
    sa.Column('started_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('reported_at', sa.BigInteger(), nullable=True),
    sa.Column('first_recipient', sa.BigInteger(), nullable=True),
    sa.Column('last_recipient', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uid')
    )
    op.create_index('campaigns_open', 'campaigns', ['state'], unique=False, sqlite_where=sa.text('ended_at IS NULL'))
    op.create_index('campaigns_unreported', 'campaigns', ['id'], unique=False, sqlite_where=sa.text('ended_at IS NOT NULL AND reported_at IS NULL'))
    op.create_table('day_counts',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('day', sa.String(), nullable=False),
    sa.Column('calls', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('key', 'day'),
    sqlite_with_rowid=False
    )
    op.create_table('notice_places',
    sa.Column('reader', sa.String(), nullable=False),
    sa.Column('last_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('reader')
    )
    op.create_table('notices',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('campaign', sa.String(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sqlite_autoincrement=True
    )
    op.create_table('recipients',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('group_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('final', sa.String(), nullable=True),
    sa.Column('next_at', sa.BigInteger(), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('refunds', sa.Integer(), server_default='0', nullable=False),
    sa.Column('max_attempts', sa.Integer(), nullable=True),
    sa.Column('caller_id', sa.String(), nullable=True),
    sa.Column('prompt', sa.Text(), nullable=True),
    sa.Column('variables', sa.Text(), nullable=True),
    sa.Column('metadata', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('recipients_due', 'recipients', ['campaign_id', 'group_id', 'next_at', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
    op.create_index('recipients_number', 'recipients', ['number', 'campaign_id'], unique=True)
    op.create_table('spool_files',
    sa.Column('fingerprint', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('campaign_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('taken_at', sa.BigInteger(), nullable=False),
    sa.Column('moved', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('fingerprint')
    )
    op.create_index(op.f('ix_spool_files_campaign_id'), 'spool_files', ['campaign_id'], unique=False)
    op.create_index('spool_files_unmoved', 'spool_files', ['fingerprint'], unique=False, sqlite_where=sa.text('NOT moved'))
    op.create_table('suppressions',
    sa.Column('number', sa.String(), nullable=False),
    sa.Column('scope', sa.String(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('source', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('number', 'scope'),
    sqlite_with_rowid=False
    )
    op.create_table('zone_groups',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('country', sa.String(), nullable=False),
    sa.Column('zones', sa.Text(), nullable=False),
    sa.Column('placeless', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('country', 'zones', 'placeless')
    )
    op.create_table('totals',
    sa.Column('campaign_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('recipients', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_succeeded', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_failed', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_exhausted', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_uncertain', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_suppressed', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_expired', sa.Integer(), server_default='0', nullable=False),
    sa.Column('final_cancelled', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_answered', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_voicemail', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_busy', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_no_answer', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_rejected', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_invalid_number', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_unreachable', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_congestion', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_failed', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_cancelled', sa.Integer(), server_default='0', nullable=False),
    sa.Column('outcome_uncertain', sa.Integer(), server_default='0', nullable=False),
    sa.Column('refunded', sa.Integer(), server_default='0', nullable=False),
    sa.Column('talk_ms', sa.BigInteger(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], ),
    sa.PrimaryKeyConstraint('campaign_id')
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table('totals')
    op.drop_table('zone_groups')
    op.drop_table('suppressions')
    op.drop_index('spool_files_unmoved', table_name='spool_files', sqlite_where=sa.text('NOT moved'))
    op.drop_index(op.f('ix_spool_files_campaign_id'), table_name='spool_files')
    op.drop_table('spool_files')
    op.drop_index('recipients_number', table_name='recipients')
    op.drop_index('recipients_due', table_name='recipients', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
    op.drop_table('recipients')
    op.drop_table('notices')
    op.drop_table('notice_places')
    op.drop_table('day_counts')
    op.drop_index('campaigns_unreported', table_name='campaigns', sqlite_where=sa.text('ended_at IS NOT NULL AND reported_at IS NULL'))
    op.drop_index('campaigns_open', table_name='campaigns', sqlite_where=sa.text('ended_at IS NULL'))
    op.drop_table('campaigns')
    op.drop_index('attempts_open', table_name='attempts', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
    op.drop_index('attempts_number', table_name='attempts')
    op.drop_table('attempts')
