/*
 * context_aarch64.S: the switch for AArch64 (AAPCS64). See context.h.
 *
 * A saved stack holds x19..x30 and d8..d15: 160 bytes.
 */
    .text

/* void bk__context_switch(bk__context *from (x0), bk__context to (x1)) */
    .globl  bk__context_switch
    .hidden bk__context_switch
    .type   bk__context_switch, %function
    .p2align 4
bk__context_switch:
    .cfi_startproc
    sub     sp, sp, #160
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8,  d9,  [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mov     x2, sp
    str     x2, [x0]
    mov     sp, x1
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8,  d9,  [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #160
    ret
    .cfi_endproc
    .size   bk__context_switch, . - bk__context_switch

/* bk__context bk__context_make(void *top (x0), void (*entry)(void *) (x1), void *data (x2)) */
    .globl  bk__context_make
    .hidden bk__context_make
    .type   bk__context_make, %function
    .p2align 4
bk__context_make:
    .cfi_startproc
    adr     x3, begin
    sub     x0, x0, #160
    str     x1, [x0, #0]            /* x19: entry */
    str     x2, [x0, #8]            /* x20: data */
    stp     xzr, x3, [x0, #80]      /* x29: where a frame walk ends; x30: begin */
    ret
    .cfi_endproc
    .size   bk__context_make, . - bk__context_make

/* The outermost frame of a fiber. */
    .type   begin, %function
begin:
    .cfi_startproc
    .cfi_undefined x30
    mov     x0, x20
    blr     x19
    brk     #1
    .cfi_endproc
    .size   begin, . - begin

    .section .note.GNU-stack, "", %progbits
