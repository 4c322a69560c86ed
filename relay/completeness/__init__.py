"""
The proof that nothing is missing: for every match that a worker told of, an outcome in the results topic.

    values    a report: ranges of offsets, what is missing in them, what there is besides              pure
    counts    matches by offset, as the records of relay.progress tell them                            pure
    outcomes  the newest verdict of each delivery, in some 16 bytes                                    pure
    folding   counts and outcomes -> the report                                                        pure
    reading   the three topics over a time range                                                       edge (aiokafka)

Workers write `relay.progress` before each commit (`relay.pipeline.covered`, `relay.pipeline.progress`): how many
deliveries each record has made whose fan-out is settled, every outcome of it acknowledged by then. So whatever progress
tells of has its outcomes in the log, and no wait is needed for those that are young.
"""

from relay.completeness.values import Extra, Missing, Range, Report

__all__ = ["Extra", "Missing", "Range", "Report"]
