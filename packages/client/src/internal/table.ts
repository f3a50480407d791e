// Generated from the API's document: `pnpm generate`. A list of all operations, whatever its length.
/** Method, path below /v1/, and flags: pages, condition, idempotency key, event, raw response. */
export const table: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  overview: {
    listAlerts: "GET overview/alerts",
    getTimeline: "GET overview/timeline/{kind}/{id} p",
    watch: "GET overview/live r",
    find: "GET overview/search"
  },
  system: {
    listChecks: "GET system/checks",
    listSettings: "GET system/settings",
    getInstallation: "GET system/installation",
    listFigures: "GET system/figures"
  },
  tenants: {
    list: "GET platform/tenants p",
    create: "POST platform/tenants i",
    get: "GET platform/tenants/{tenantId}",
    change: "PATCH platform/tenants/{tenantId} m",
    createTenantKey: "POST platform/tenants/{tenantId}/keys i"
  },
  keys: {
    currentTenant: "GET platform/tenant",
    list: "GET platform/keys p",
    create: "POST platform/keys i",
    get: "GET platform/keys/{apiKeyId}",
    revoke: "DELETE platform/keys/{apiKeyId} m",
    rotate: "POST platform/keys/{apiKeyId}/rotate mi"
  },
  flags: {
    list: "GET platform/flags p",
    create: "POST platform/flags i",
    get: "GET platform/flags/{flagKey}",
    change: "PATCH platform/flags/{flagKey} m",
    setEnvironment: "PUT platform/flags/{flagKey}/environments/{environment} m",
    kill: "POST platform/flags/{flagKey}/environments/{environment}/kill",
    archive: "POST platform/flags/{flagKey}/archive m",
    rollBack: "POST platform/flags/{flagKey}/rollback m",
    listVersions: "GET platform/flags/{flagKey}/versions p",
    diff: "GET platform/flags/{flagKey}/diff",
    explain: "POST platform/flags/{flagKey}/explain"
  },
  segments: {
    list: "GET platform/segments p",
    create: "POST platform/segments i",
    get: "GET platform/segments/{segmentKey}",
    change: "PATCH platform/segments/{segmentKey} m",
    remove: "DELETE platform/segments/{segmentKey} m"
  },
  flagRequests: {
    list: "GET platform/flag-requests p",
    create: "POST platform/flag-requests i",
    get: "GET platform/flag-requests/{requestId}",
    approve: "POST platform/flag-requests/{requestId}/approve",
    close: "POST platform/flag-requests/{requestId}/close"
  },
  flagEnvironments: {
    list: "GET platform/flag-environments p",
    get: "GET platform/flag-environments/{environment}",
    set: "PUT platform/flag-environments/{environment} m"
  },
  audit: {
    list: "GET platform/activity p",
    head: "GET platform/activity/head",
    keys: "GET platform/activity/keys",
    exportActivity: "GET platform/activity/export r",
    verify: "POST platform/activity/verify"
  },
  policy: {
    list: "GET platform/policies p",
    create: "POST platform/policies i",
    get: "GET platform/policies/{policyKey}",
    change: "PUT platform/policies/{policyKey} m",
    remove: "DELETE platform/policies/{policyKey} m",
    listVersions: "GET platform/policies/{policyKey}/versions p",
    decisions: "GET platform/policy/decisions p",
    decide: "POST platform/policy/decisions",
    dryRun: "POST platform/policy/dry-runs"
  },
  installationPolicies: {
    list: "GET platform/installation/policies p",
    create: "POST platform/installation/policies i",
    get: "GET platform/installation/policies/{policyKey}",
    change: "PUT platform/installation/policies/{policyKey} m",
    remove: "DELETE platform/installation/policies/{policyKey} m"
  },
  subjects: {
    list: "GET platform/subjects/requests p",
    create: "POST platform/subjects/requests i",
    get: "GET platform/subjects/requests/{requestId}",
    part: "GET platform/subjects/requests/{requestId}/parts/{part} r"
  },
  events: {
    publish: "POST events e",
    state: "GET events/state"
  },
  facts: {
    factSchema: "GET events/schemas/{type}"
  },
  queues: {
    list: "GET events/queues",
    get: "GET events/queues/{queue}",
    change: "PATCH events/queues/{queue} m",
    minutes: "GET events/queues/{queue}/minutes",
    pause: "POST events/queues/{queue}/pause",
    resume: "POST events/queues/{queue}/resume",
    job: "GET events/queues/{queue}/jobs/{jobId}",
    jobs: "GET events/queues/{queue}/jobs p",
    payload: "GET events/queues/{queue}/jobs/{jobId}/payload",
    cancel: "POST events/queues/{queue}/jobs/{jobId}/cancel",
    dead: "GET events/queues/{queue}/dead p",
    deadGroups: "GET events/queues/{queue}/dead/groups",
    redrive: "POST events/queues/{queue}/redrive",
    discard: "POST events/queues/{queue}/discard"
  },
  subscriptions: {
    list: "GET events/subscriptions p",
    create: "POST events/subscriptions i",
    get: "GET events/subscriptions/{subscriptionId}",
    change: "PATCH events/subscriptions/{subscriptionId} m",
    remove: "DELETE events/subscriptions/{subscriptionId} m"
  },
  schedules: {
    list: "GET events/schedules p",
    create: "POST events/schedules i",
    get: "GET events/schedules/{scheduleId}",
    change: "PATCH events/schedules/{scheduleId} m",
    remove: "DELETE events/schedules/{scheduleId} m",
    runNow: "POST events/schedules/{scheduleId}/run",
    runs: "GET events/schedules/{scheduleId}/runs"
  },
  webhooks: {
    list: "GET events/webhooks p",
    create: "POST events/webhooks i",
    get: "GET events/webhooks/{endpointId}",
    change: "PATCH events/webhooks/{endpointId} m",
    remove: "DELETE events/webhooks/{endpointId} m",
    rotate: "POST events/webhooks/{endpointId}/rotate i",
    pause: "POST events/webhooks/{endpointId}/pause",
    enable: "POST events/webhooks/{endpointId}/enable",
    test: "POST events/webhooks/{endpointId}/test",
    deliveries: "GET events/webhooks/{endpointId}/deliveries p",
    attempts: "GET events/webhooks/{endpointId}/deliveries/{deliveryId}/attempts",
    replay: "POST events/webhooks/{endpointId}/replay",
    backfill: "POST events/webhooks/{endpointId}/backfill",
    retention: "GET events/retention",
    retain: "PUT events/retention m"
  },
  workflows: {
    list: "GET events/workflows p",
    start: "POST events/workflows",
    get: "GET events/workflows/{executionId}",
    tasks: "GET events/workflows/{executionId}/tasks p",
    signal: "POST events/workflows/{executionId}/signals",
    resume: "POST events/workflows/{executionId}/resume",
    retry: "POST events/workflows/{executionId}/retry",
    cancel: "POST events/workflows/{executionId}/cancel",
    kill: "POST events/workflows/{executionId}/kill"
  },
  search: {
    search: "POST search/indexes/{indexName}/search",
    searchAll: "POST search/indexes/{indexName}/searches",
    queries: "GET search/indexes/{indexName}/queries"
  },
  documents: {
    list: "GET search/indexes/{indexName}/documents p",
    write: "POST search/indexes/{indexName}/documents",
    removeWhere: "POST search/indexes/{indexName}/documents/remove",
    get: "GET search/indexes/{indexName}/documents/{documentId}",
    compare: "GET search/indexes/{indexName}/comparison"
  },
  behaviour: {
    record: "POST search/events",
    pending: "GET search/events/pending",
    history: "GET search/history",
    erase: "POST search/history/erase"
  },
  popularity: {
    get: "GET search/popularity"
  },
  rankingSignals: {
    list: "GET search/signals p",
    put: "POST search/signals"
  },
  indexes: {
    list: "GET search/indexes p",
    create: "POST search/indexes i",
    get: "GET search/indexes/{indexName}",
    change: "PATCH search/indexes/{indexName} m",
    remove: "DELETE search/indexes/{indexName} m"
  },
  curations: {
    get: "GET search/indexes/{indexName}/curation",
    set: "PUT search/indexes/{indexName}/curation m"
  },
  indexVersions: {
    rollBack: "POST search/indexes/{indexName}/rollback",
    list: "GET search/indexes/{indexName}/versions p",
    start: "POST search/indexes/{indexName}/versions i",
    get: "GET search/indexes/{indexName}/versions/{versionId}",
    validate: "POST search/indexes/{indexName}/versions/{versionId}/validate",
    activate: "POST search/indexes/{indexName}/versions/{versionId}/activate",
    retire: "POST search/indexes/{indexName}/versions/{versionId}/retire"
  },
  orders: {
    record: "POST analytics/facts"
  },
  unplaced: {
    list: "GET analytics/unplaced p"
  },
  sales: {
    catalogue: "GET analytics/catalogue",
    run: "POST analytics/query",
    freshness: "GET analytics/freshness"
  },
  figures: {
    get: "GET analytics/orders/{orderId}"
  },
  zones: {
    get: "GET analytics/zone",
    set: "POST analytics/zone"
  },
  closes: {
    list: "GET analytics/closes p",
    close: "POST analytics/closes i",
    get: "GET analytics/closes/{closeId}",
    restatement: "GET analytics/closes/{closeId}/restatement"
  },
  limits: {
    listPolicies: "GET quotas/policies p",
    createPolicy: "POST quotas/policies i",
    getPolicy: "GET quotas/policies/{policy}",
    updatePolicy: "PATCH quotas/policies/{policy} m",
    removePolicy: "DELETE quotas/policies/{policy} m",
    listOverrides: "GET quotas/policies/{policy}/overrides p",
    putOverride: "POST quotas/policies/{policy}/overrides",
    removeOverride: "DELETE quotas/policies/{policy}/overrides/{overrideId}",
    check: "POST quotas/limits/check",
    peek: "POST quotas/limits/peek",
    refund: "POST quotas/limits/refund",
    reset: "POST quotas/limits/reset",
    release: "POST quotas/limits/release"
  },
  installationLimits: {
    listPolicies: "GET quotas/installation/policies p",
    createPolicy: "POST quotas/installation/policies i",
    getPolicy: "GET quotas/installation/policies/{policy}",
    updatePolicy: "PATCH quotas/installation/policies/{policy} m",
    removePolicy: "DELETE quotas/installation/policies/{policy} m",
    listOverrides: "GET quotas/installation/policies/{policy}/overrides p",
    putOverride: "POST quotas/installation/policies/{policy}/overrides",
    removeOverride: "DELETE quotas/installation/policies/{policy}/overrides/{overrideId}"
  },
  quotas: {
    listFeatures: "GET quotas/features p",
    createFeature: "POST quotas/features i",
    getFeature: "GET quotas/features/{feature}",
    updateFeature: "PATCH quotas/features/{feature} m",
    removeFeature: "DELETE quotas/features/{feature} m",
    listGrants: "GET quotas/features/{feature}/grants p",
    grant: "POST quotas/features/{feature}/grants i",
    revokeGrant: "DELETE quotas/features/{feature}/grants/{grantId}",
    reserve: "POST quotas/reservations",
    getReservation: "GET quotas/reservations/{reservationId}",
    commit: "POST quotas/reservations/{reservationId}/commit",
    release: "POST quotas/reservations/{reservationId}/release",
    record: "POST quotas/records",
    usage: "POST quotas/usage",
    check: "POST quotas/check"
  },
  experimentMetrics: {
    list: "GET experiments/metrics p",
    create: "POST experiments/metrics i",
    get: "GET experiments/metrics/{metricId}"
  },
  experiments: {
    list: "GET experiments/experiments p",
    create: "POST experiments/experiments i",
    get: "GET experiments/experiments/{experimentId}",
    change: "PATCH experiments/experiments/{experimentId} m",
    start: "POST experiments/experiments/{experimentId}/start m",
    setHoldout: "POST experiments/layers",
    expose: "POST experiments/exposures",
    assign: "POST experiments/assignments",
    recordFacts: "POST experiments/facts",
    pause: "POST experiments/experiments/{experimentId}/pause m",
    listLooks: "GET experiments/experiments/{experimentId}/looks",
    takeLook: "POST experiments/experiments/{experimentId}/looks",
    stop: "POST experiments/experiments/{experimentId}/stop m",
    decide: "POST experiments/experiments/{experimentId}/decision m"
  },
  risk: {
    list: "GET risk/decisions p",
    decide: "POST risk/decisions",
    explain: "GET risk/decisions/{decisionId}",
    record: "POST risk/signals",
    getSignal: "GET risk/signals/{kind}/{subject}",
    complete: "POST risk/signals/{kind}/{subject}/completion",
    label: "POST risk/labels",
    samples: "GET risk/samples p"
  },
  riskRules: {
    attributes: "GET risk/attributes",
    declare: "POST risk/attributes",
    list: "GET risk/rule-sets p",
    create: "POST risk/rule-sets i",
    get: "GET risk/rule-sets/{ruleSet}",
    shadowReport: "GET risk/rule-sets/{ruleSet}/shadow",
    state: "GET risk/rules/live",
    choose: "PUT risk/rules/live m",
    health: "GET risk/rules/health",
    backtest: "POST risk/backtests"
  },
  riskLinks: {
    ring: "POST risk/rings"
  },
  riskLists: {
    list: "GET risk/list-entries p",
    add: "POST risk/list-entries i",
    remove: "DELETE risk/list-entries/{entryId}",
    snoozes: "GET risk/snoozes p",
    snooze: "POST risk/snoozes i",
    wake: "DELETE risk/snoozes/{snoozeId}"
  },
  projects: {
    list: "GET observability/projects p",
    create: "POST observability/projects i",
    get: "GET observability/projects/{projectId}",
    change: "PATCH observability/projects/{projectId} m",
    counts: "GET observability/projects/{projectId}/counts"
  },
  releases: {
    list: "GET observability/projects/{projectId}/releases p",
    remove: "POST observability/projects/{projectId}/releases/remove"
  },
  issues: {
    list: "GET observability/issues p",
    get: "GET observability/issues/{issueId}",
    remove: "DELETE observability/issues/{issueId} m",
    summary: "GET observability/issues/{issueId}/summary",
    events: "GET observability/issues/{issueId}/events p",
    event: "GET observability/projects/{projectId}/events/{eventId}",
    resolve: "POST observability/issues/{issueId}/resolve",
    reopen: "POST observability/issues/{issueId}/reopen",
    mute: "POST observability/issues/{issueId}/mute",
    assign: "POST observability/issues/{issueId}/assign",
    merge: "POST observability/issues/{issueId}/merge",
    unmerge: "POST observability/issues/{issueId}/unmerge"
  },
  installationIssues: {
    list: "GET system/issues p",
    get: "GET system/issues/{issueId}",
    summary: "GET system/issues/{issueId}/summary",
    events: "GET system/issues/{issueId}/events p",
    event: "GET system/error-events/{eventId}",
    resolve: "POST system/issues/{issueId}/resolve",
    reopen: "POST system/issues/{issueId}/reopen",
    mute: "POST system/issues/{issueId}/mute"
  },
  monitors: {
    list: "GET observability/projects/{projectId}/monitors p",
    checkIns: "GET observability/projects/{projectId}/monitors/{environment}/{slug}/check-ins p",
    remove: "POST observability/projects/{projectId}/monitors/{environment}/{slug}/remove"
  },
  notifications: {
    trigger: "POST notifications/triggers",
    explain: "POST notifications/triggers/explain",
    cancel: "POST notifications/triggers/cancel",
    list: "GET notifications/messages p",
    get: "GET notifications/messages/{notificationId}"
  },
  notificationMappings: {
    list: "GET notifications/mappings",
    set: "POST notifications/mappings",
    remove: "DELETE notifications/mappings/{mapping}"
  },
  profiles: {
    set: "POST notifications/profiles",
    get: "GET notifications/profiles/{kind}/{recipientId}",
    changeList: "POST notifications/lists",
    getDefaults: "GET notifications/defaults",
    setDefaults: "POST notifications/defaults"
  },
  preferences: {
    categories: "GET notifications/categories",
    setCategory: "POST notifications/categories",
    set: "POST notifications/preferences",
    get: "POST notifications/preferences/read"
  },
  suppressions: {
    add: "POST notifications/suppressions",
    find: "POST notifications/suppressions/find",
    lift: "POST notifications/suppressions/lift"
  },
  templates: {
    list: "GET notifications/templates p",
    draft: "POST notifications/templates i",
    get: "GET notifications/templates/{template}/versions/{templateVersion}",
    publish: "POST notifications/templates/{template}/versions/{templateVersion}/publish",
    archive: "POST notifications/templates/{template}/versions/{templateVersion}/archive",
    preview: "POST notifications/templates/{template}/versions/{templateVersion}/preview"
  },
  branding: {
    get: "GET notifications/branding",
    set: "POST notifications/branding"
  }
}
