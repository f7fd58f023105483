<?php

// SimpleSAMLphp 1.19 without `usenewui`: the site's theme around our words.
$this->includeAtTemplateBase('includes/header.php');
?>
<div lang="<?php echo $this->data['language']; ?>" role="main">
  <h2><?php echo htmlspecialchars($this->data['title']); ?></h2>
  <p><?php echo htmlspecialchars($this->data['words']); ?></p>
<?php if ($this->data['again'] !== null) { ?>
  <p><a id="parvis-again" href="<?php echo htmlspecialchars($this->data['again']); ?>"><?php
    echo htmlspecialchars($this->data['againWords']);
    ?></a></p>
<?php } ?>
</div>
<?php
$this->includeAtTemplateBase('includes/footer.php');
