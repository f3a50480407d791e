/**
 * The columns of the measures as migrations 2 and 3 make them. Written out, and not taken from the code: a migration that
 * has been released never changes.
 */
export const measures = `
    orders               bigint NOT NULL,
    seller_orders        bigint NOT NULL,
    lines                bigint NOT NULL,
    units                bigint NOT NULL,
    gross                bigint NOT NULL,
    discount             bigint NOT NULL,
    tax                  bigint NOT NULL,
    shipping             bigint NOT NULL,
    cancelled_orders     bigint NOT NULL,
    cancelled_units      bigint NOT NULL,
    cancelled_amount     bigint NOT NULL,
    refund_units         bigint NOT NULL,
    refund_amount        bigint NOT NULL,
    booked_refund_units  bigint NOT NULL,
    booked_refund_amount bigint NOT NULL,
    shipped_units        bigint NOT NULL`
