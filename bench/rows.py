"""What a scenario measured: {row: [one figure per round]}."""


class Rows(dict):
    def add(self, **figures):
        for name, figure in figures.items():
            self.setdefault(name, []).append(figure)

    def ratio(self, above, below, name=None):
        """Of the last round, of two rows that have a figure in it."""
        if above in self and below in self and self[below][-1]:
            self.setdefault(name or f"{above} / {below}", []).append(self[above][-1] / self[below][-1])
