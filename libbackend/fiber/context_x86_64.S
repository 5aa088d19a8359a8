/*
 * context_x86_64.S: the switch for x86-64 (System V ABI). See context.h.
 *
 * A saved stack holds, from its pointer upwards: r15 r14 r13 r12 rbx rbp, then the address to go on at.
 */
    .text

/* void bk__context_switch(bk__context *from (rdi), bk__context to (rsi)) */
    .globl  bk__context_switch
    .hidden bk__context_switch
    .type   bk__context_switch, @function
    .p2align 4
bk__context_switch:
    .cfi_startproc
    pushq   %rbp
    pushq   %rbx
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    popq    %rcx            /* an indirect jump is predicted by its history; a ret here never is */
    jmp     *%rcx
    .cfi_endproc
    .size   bk__context_switch, . - bk__context_switch

/* bk__context bk__context_make(void *top (rdi), void (*entry)(void *) (rsi), void *data (rdx)) */
    .globl  bk__context_make
    .hidden bk__context_make
    .type   bk__context_make, @function
    .p2align 4
bk__context_make:
    .cfi_startproc
    leaq    begin(%rip), %rcx
    leaq    -64(%rdi), %rax
    movq    %rdx, 24(%rax)  /* r12: data */
    movq    %rsi, 32(%rax)  /* rbx: entry */
    movq    $0, 40(%rax)    /* rbp: where a frame-pointer walk ends */
    movq    %rcx, 48(%rax)
    ret
    .cfi_endproc
    .size   bk__context_make, . - bk__context_make

/* The outermost frame of a fiber: rsp is top - 8, as after a call. */
    .type   begin, @function
begin:
    .cfi_startproc
    .cfi_undefined rip      /* a debugger's backtrace ends here */
    movq    %r12, %rdi
    subq    $8, %rsp
    andq    $-16, %rsp
    call    *%rbx
    ud2
    .cfi_endproc
    .size   begin, . - begin

    .section .note.GNU-stack, "", @progbits
