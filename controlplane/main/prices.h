/* prices.h - the default price list, put into the program when it was built. */
#ifndef WEIR_CONTROL_PRICES_H
#define WEIR_CONTROL_PRICES_H

/* A PriceList manifest, NUL-terminated; "" when the build had none. */
extern const char weir_default_prices[];

#endif
