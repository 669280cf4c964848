/** Links from a name to its page. */
import type { ComponentChildren } from "preact";
import { linkTo } from "./address";

export const OrderLink = ({ id }: { id: string }) => (
  <a href={linkTo("order", { id })}>
    <code>{id}</code>
  </a>
);

export const ProductLink = ({ id, children }: { id: string; children: ComponentChildren }) => (
  <a href={linkTo("product", { id })}>{children}</a>
);

export const CustomerLink = ({ id, children }: { id: string; children: ComponentChildren }) => (
  <a href={linkTo("orders", { customer: id })}>{children}</a>
);
