/** What the current user may do on the pages; undefined while that is not known. */
export interface Permissions {
  /** Create orders and payments. */
  canSend?: boolean;
  /** Acknowledge and silence alerts. */
  canManageAlerts?: boolean;
  /** Answer restock proposals. */
  canApprove?: boolean;
}
