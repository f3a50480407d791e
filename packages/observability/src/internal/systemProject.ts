/** The project of the installation, `_system`, which a migration makes. */
export const systemProjectId = 1
