/** What the current user may do on the pages. */
export interface Permissions {
  /** Create orders and payments. */
  canSend: boolean;
  /** Acknowledge and silence alerts. */
  canManageAlerts: boolean;
}
