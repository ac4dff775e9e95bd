"""May a statement be computed where its result is read? Only if what it reads is still there.

P writes T from X ... W overwrites X ... C reads T        inlining P into C would read new X
"""

from __future__ import annotations

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Load
from loopstack.ir.program import Program, Statement
from loopstack.poly import isl, quick
from loopstack.poly.dependence import element_text, instance_text, order_condition


def find_overwrite(program: Program, producer: Statement) -> str | None:
    """Return a sentence with a witness when inlining ``producer`` would change results, else None.

    Requires: the producer writes each element once, at subscripts that are its indices.
    """
    consumers = [
        (s, load) for s in program.statements for load in s.reads
        if load.array == producer.write.array
    ]  # fmt: skip
    for writer in program.statements:
        for read in producer.reads:
            if writer.write.array != read.array:
                continue
            for consumer, load in consumers:
                found = _overwritten(program, producer, writer, consumer, load, read)
                if found is not None:
                    return found
    return None


def _overwritten(
    program: Program, producer: Statement, writer: Statement, consumer: Statement, load: Load,
    read: Load,
) -> str | None:  # fmt: skip
    if quick.runs_before(program, writer.name, producer.name):
        return None
    if quick.runs_before(program, consumer.name, writer.name):
        return None
    image = _producer_indices(producer, load)
    c = {i: f"c{n}" for n, i in enumerate(consumer.indices)}
    w = {i: f"w{n}" for n, i in enumerate(writer.indices)}
    p = [isl.form_text(image[i], c) for i in producer.indices]
    conditions = [f"{isl.form_text(f, c)} >= 0" for f in consumer.constraints]
    conditions += [f"{isl.form_text(f.substitute(image), c)} >= 0" for f in producer.constraints]
    conditions += [f"{isl.form_text(f, w)} >= 0" for f in writer.constraints]
    for mine, other in zip(read.subscripts, writer.write.subscripts):
        conditions.append(f"{isl.form_text(mine.substitute(image), c)} = {isl.form_text(other, w)}")
    conditions.append(order_condition(program, (producer, p), (writer, list(w.values()))))
    conditions.append(
        order_condition(program, (writer, list(w.values())), (consumer, list(c.values())))
    )
    point = isl.first_point([*c.values(), *w.values()], isl.conjunction(conditions))
    if point is None:
        return None
    here = {i: point[v] for i, v in c.items()}
    there = {i: point[v] for i, v in w.items()}
    made = {i: form.evaluate(here) for i, form in image.items()}
    element = element_text(read.array, writer.write.subscripts, there)
    return (
        f"anti dependence: {instance_text(producer, made)} reads {element} before "
        f"{instance_text(writer, there)} writes it, but inlined into "
        f"{instance_text(consumer, here)} it would be read after"
    )


def _producer_indices(producer: Statement, load: Load) -> dict[str, Affine]:
    """Return the producer instance whose element ``load`` reads, over the consumer's indices."""
    found = {}
    for form, subscript in zip(producer.write.subscripts, load.subscripts):
        if not form.is_constant:
            found[str(form.terms[0][0])] = subscript - form.const
    return found
