import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Grows by one row per definition. The seed never changes, so that a rename moves no unit.
    `
  CREATE TABLE hm_experiment (
    tenant_id     text        NOT NULL,
    experiment_id uuid        NOT NULL,
    key           text        COLLATE "C" NOT NULL CONSTRAINT key_in_form CHECK (key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name          text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    hypothesis    text        NOT NULL CONSTRAINT hypothesis_in_range CHECK (length(hypothesis) <= 2000),
    environment   text        COLLATE "C" NOT NULL CONSTRAINT environment_in_form CHECK (environment ~ '^[a-z0-9_-]{1,64}$'),
    unit_kind     text        COLLATE "C" NOT NULL CONSTRAINT unit_kind_in_form CHECK (unit_kind ~ '^[a-z][a-z0-9_]{0,31}$'),
    status        text        NOT NULL CONSTRAINT status_known CHECK (status IN ('draft', 'running', 'paused', 'stopped')),
    scheme        text        NOT NULL CONSTRAINT scheme_known CHECK (scheme IN ('murmur3', 'gb_v2')),
    seed          text        NOT NULL,
    layer         text        COLLATE "C",
    layer_from    integer     CONSTRAINT layer_from_in_range CHECK (layer_from BETWEEN 0 AND 99999),
    layer_until   integer     CONSTRAINT layer_until_in_range CHECK (layer_until > layer_from AND layer_until <= 100000),
    plan          jsonb       NOT NULL,
    phase         integer     NOT NULL DEFAULT 1 CONSTRAINT phase_in_range CHECK (phase BETWEEN 1 AND 1000),
    decision      jsonb,
    started_at    timestamptz,
    stopped_at    timestamptz,
    version       integer     NOT NULL DEFAULT 1,
    recorded_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id),
    CONSTRAINT experiment_key_is_unique UNIQUE (tenant_id, key),
    CONSTRAINT layer_is_whole CHECK ((layer IS NULL) = (layer_from IS NULL) AND (layer IS NULL) = (layer_until IS NULL))
  )
  `,
    // Experiments of a layer share no unit. The row is the lock under which a start looks for an overlap: an exclusion
    // constraint would need btree_gist, which not every installation may create.
    `
  CREATE TABLE hm_experiment_layer (
    tenant_id  text        NOT NULL,
    layer      text        COLLATE "C" NOT NULL CONSTRAINT layer_in_form CHECK (layer ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    holdout    integer     NOT NULL DEFAULT 0 CONSTRAINT holdout_in_range CHECK (holdout BETWEEN 0 AND 50000),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, layer)
  )
  `,
    // At most 20 rows per experiment; the position 0 is the control.
    `
  CREATE TABLE hm_experiment_variant (
    tenant_id     text     NOT NULL,
    experiment_id uuid     NOT NULL,
    variant_id    uuid     NOT NULL,
    position      smallint NOT NULL CONSTRAINT position_in_range CHECK (position BETWEEN 0 AND 19),
    key           text     COLLATE "C" NOT NULL CONSTRAINT key_in_form CHECK (key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name          text     NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, experiment_id, variant_id),
    CONSTRAINT variant_key_is_unique UNIQUE (tenant_id, experiment_id, key),
    CONSTRAINT variant_position_is_unique UNIQUE (tenant_id, experiment_id, position)
  )
  `,
    // One row per change of weights, coverage or targeting: estimates and sample ratios are computed within phases.
    `
  CREATE TABLE hm_experiment_phase (
    tenant_id     text        NOT NULL,
    experiment_id uuid        NOT NULL,
    phase         integer     NOT NULL,
    weights       integer[]   NOT NULL,
    coverage      integer     NOT NULL CONSTRAINT coverage_in_range CHECK (coverage BETWEEN 0 AND 100000),
    targeting     jsonb,
    started_at    timestamptz,
    PRIMARY KEY (tenant_id, experiment_id, phase)
  )
  `,
    // A definition is never changed: what a look computed stays what the metric's key means.
    `
  CREATE TABLE hm_experiment_metric (
    tenant_id          text        NOT NULL,
    metric_id          uuid        NOT NULL,
    key                text        COLLATE "C" NOT NULL CONSTRAINT key_in_form CHECK (key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name               text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    kind               text        NOT NULL CONSTRAINT kind_known CHECK (kind IN ('conversion', 'count', 'sum', 'ratio')),
    direction          text        NOT NULL CONSTRAINT direction_known CHECK (direction IN ('up', 'down')),
    source             text        COLLATE "C" NOT NULL,
    denominator_source text        COLLATE "C",
    currency           text        CONSTRAINT currency_in_form CHECK (currency ~ '^[A-Z]{3}$'),
    window_seconds     integer     NOT NULL CONSTRAINT window_in_range CHECK (window_seconds BETWEEN 1 AND 7776000),
    pre_period_seconds integer     NOT NULL CONSTRAINT pre_period_in_range CHECK (pre_period_seconds BETWEEN 0 AND 2592000),
    cap                bigint      CONSTRAINT cap_in_range CHECK (cap > 0),
    denominator_cap    bigint      CONSTRAINT denominator_cap_in_range CHECK (denominator_cap > 0),
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, metric_id),
    CONSTRAINT metric_key_is_unique UNIQUE (tenant_id, key),
    CONSTRAINT ratio_has_denominator CHECK ((kind = 'ratio') = (denominator_source IS NOT NULL)),
    CONSTRAINT ratio_has_one_caps_rule CHECK (kind <> 'ratio' OR (cap IS NULL) = (denominator_cap IS NULL))
  )
  `,
    // The metrics of an experiment, fixed when it starts. The position is their place in the totals of a unit, from 1.
    `
  CREATE TABLE hm_experiment_goal (
    tenant_id     text     NOT NULL,
    experiment_id uuid     NOT NULL,
    position      smallint NOT NULL CONSTRAINT position_in_range CHECK (position BETWEEN 1 AND 50),
    metric_id     uuid     NOT NULL,
    role          text     NOT NULL CONSTRAINT role_known CHECK (role IN ('goal', 'guardrail')),
    PRIMARY KEY (tenant_id, experiment_id, position)
  )
  `,
    // One immutable row per look, with its settings and the units that were left out.
    `
  CREATE TABLE hm_experiment_result (
    tenant_id     text        NOT NULL,
    experiment_id uuid        NOT NULL,
    look          integer     NOT NULL CONSTRAINT look_in_range CHECK (look BETWEEN 1 AND 1000),
    information   float8      NOT NULL,
    result        jsonb       NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, look)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
