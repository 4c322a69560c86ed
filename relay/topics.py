"""PLACEHOLDER until the real one lands."""
from dataclasses import dataclass
from relay.durations import parse, written
@dataclass(frozen=True, slots=True)
class Topics:
    prefix: str
    @property
    def subscriptions(self): return f"{self.prefix}.subscriptions"
    @property
    def results(self): return f"{self.prefix}.results"
    @property
    def progress(self): return f"{self.prefix}.progress"
    @property
    def dead_letters(self): return f"{self.prefix}.dead-letters"
    @property
    def deliveries_group(self): return f"{self.prefix}.deliveries"
    def deliveries(self, s): return f"{self.prefix}.deliveries." + (written(s) if s else "now")
    def delay_of(self, t):
        w = t.removeprefix(f"{self.prefix}.deliveries.")
        return 0 if w == "now" else parse(w)
    def is_deliveries(self, t): return t.startswith(f"{self.prefix}.deliveries.")
